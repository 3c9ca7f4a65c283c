// swift-tools-version: 6.2
import PackageDescription

/// Set by `make fuzz` alone: everything is built for libFuzzer and the address sanitizer then, and can only be fuzzed.
let isFuzzing = Context.environment["QNF_FUZZ"] != nil

let swiftSettings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .treatAllWarnings(as: .error),
    ] + (isFuzzing ? [.unsafeFlags(["-sanitize=fuzzer,address", "-enable-testing"])] : [])

// Sanitizers keep loops from being vectorised, which is then a warning and no error.
let kernelFlags =
    ["-O3", "-Wall", "-Wextra", "-Werror", "-Wno-error=pass-failed"]
    + (isFuzzing ? ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"] : [])

/// Layers from the bottom up: folders of Sources, and the rooms in each. A room depends on lower layers, and within its own layer
/// only on what `sideways` names; anything else fails the build. `make lint` checks that nothing else is imported.
let layers: [(name: String, rooms: Set<String>)] = [
    ("C", ["CKernels", "CBuild", "CSystem", "CZlib", "COpenBLAS"]),
    ("Bytes", ["Platform", "ByteIO", "JSONText", "Compression", "Parallelism"]),
    ("Tensors", ["TensorCore", "Quantization", "LinearAlgebra"]),
    ("Containers", ["ContainerKit", "SafetensorsFormat", "TensorFlowFormat", "GGUFFormat", "PyTorchFormat", "FlatFormat"]),
    ("Checkpoints", ["Architectures", "Checkpoints", "Adapters", "Tokenization", "Jinja", "Prompts"]),
    ("Models", ["Transformer", "ModelLoading", "Evaluation", "Records", "Calibration", "Training", "Sensitivity", "Distillation"]),
    ("Operations", ["Streaming", "Parts", "Conversion", "Inspection", "Comparison", "Merging", "AdapterAlgebra"]),
    (
        "Tools",
        [
            "CommandLineKit", "Reports", "ToolSupport", "PromptSupport", "ModelToolSupport", "CalibrationSupport", "MergeSupport",
            "qconvert", "qinspect", "qmerge", "qrun",
            "qtrain", "qverify",
        ]
    ),
    ("Development", ["kernelbench", "toolbench", "fuzz"]),
]
let sideways: [String: Set<String>] = [
    "Compression": ["ByteIO"], "Quantization": ["TensorCore"], "Checkpoints": ["Architectures", "Tokenization"],
    "Adapters": ["Architectures"],
    "SafetensorsFormat": ["ContainerKit"], "TensorFlowFormat": ["ContainerKit"], "GGUFFormat": ["ContainerKit"],
    "PyTorchFormat": ["ContainerKit"], "FlatFormat": ["ContainerKit"],
    "Prompts": ["Checkpoints", "Tokenization", "Jinja"],
    "ModelLoading": ["Transformer"], "Evaluation": ["Transformer"], "Calibration": ["Transformer", "ModelLoading"],
    "Training": ["Transformer", "ModelLoading", "Records"],
    "Sensitivity": ["Transformer", "ModelLoading", "Records", "Calibration", "Training"],
    "Distillation": ["Transformer", "ModelLoading", "Records", "Calibration", "Training"],
    "Parts": ["Streaming"], "Conversion": ["Streaming", "Parts"], "Inspection": ["Streaming"], "Comparison": ["Streaming"],
    "Merging": ["Streaming", "Parts"],
    "AdapterAlgebra": ["Streaming", "Merging"],
    "Reports": ["CommandLineKit"], "ToolSupport": ["CommandLineKit"], "PromptSupport": ["CommandLineKit"],
    "ModelToolSupport": ["CommandLineKit", "ToolSupport"],
    "CalibrationSupport": ["CommandLineKit", "ToolSupport", "PromptSupport"],
    "qconvert": ["CommandLineKit", "ToolSupport", "ModelToolSupport", "CalibrationSupport"],
    "qinspect": ["CommandLineKit", "Reports", "ToolSupport", "PromptSupport"],
    "MergeSupport": ["CommandLineKit", "ToolSupport", "CalibrationSupport"],
    "qmerge": ["CommandLineKit", "ToolSupport", "PromptSupport", "ModelToolSupport", "CalibrationSupport", "MergeSupport"],
    "qrun": ["CommandLineKit", "ToolSupport", "PromptSupport", "ModelToolSupport"],
    "qtrain": ["CommandLineKit", "Reports", "ToolSupport", "PromptSupport", "ModelToolSupport", "MergeSupport"],
    "qverify": ["CommandLineKit", "Reports", "ToolSupport", "PromptSupport", "ModelToolSupport", "CalibrationSupport"],
]

/// The C library and what differs between systems: every room of ours may use it, and no other imports `Glibc` or `Darwin`.
let platform: Target.Dependency = "Platform"

/// Puts a room into the folder of its layer, and refuses arrows that point up or sideways.
func settle(_ target: Target) {
    func layer(of room: String) -> Int {
        guard let layer = layers.firstIndex(where: { $0.rooms.contains(room) }) else { fatalError("\(room) stands in no layer") }
        return layer
    }
    let own = layer(of: target.name)
    target.path = "Sources/\(layers[own].name)/\(target.name)"
    for dependency in target.dependencies {
        guard case .byNameItem(let name, _) = dependency else { fatalError("\(target.name) depends on something that is no target") }
        guard name == "Platform" || layer(of: name) < own || sideways[target.name]?.contains(name) == true else {
            fatalError("\(target.name) (\(layers[own].name)) may not depend on \(name) (\(layers[layer(of: name)].name))")
        }
    }
}

/// A Swift target of ours.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: [platform] + dependencies, swiftSettings: swiftSettings)
}

func tool(_ name: String, _ more: [Target.Dependency] = []) -> Target {
    .executableTarget(
        name: name,
        dependencies: [
            platform, "ByteIO", "JSONText", "TensorCore", "Quantization", "Checkpoints", "Adapters", "Streaming", "CommandLineKit",
            "ToolSupport",
        ] + more,
        swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies + [platform, "TestSupport"], swiftSettings: swiftSettings)
}

let package = Package(
    name: "qnf",
    targets: [
        // 0: C
        // Kernels are compiled optimised also in debug builds: tests compare millions of values.
        .target(name: "CKernels", cSettings: [.unsafeFlags(kernelFlags)]),
        // What `--version` tells; `make build` sets it.
        .target(name: "CBuild", cSettings: Context.environment["QNF_COMMIT"].map { [.define("QNF_COMMIT", to: "\"\($0)\"")] } ?? []),
        .systemLibrary(name: "CSystem"),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
        // 1: bytes
        .target(name: "Platform", dependencies: ["CSystem"], swiftSettings: swiftSettings),
        library("ByteIO", ["CKernels"]),
        library("JSONText"),
        library("Compression", ["CKernels", "CZlib", "ByteIO"]),
        library("Parallelism", ["CSystem"]),
        // 2: domain
        library("TensorCore", ["CKernels", "ByteIO"]),
        library("Quantization", ["CKernels", "ByteIO", "TensorCore"]),
        library("LinearAlgebra", ["COpenBLAS"]),
        // 3: containers
        library("ContainerKit", ["ByteIO", "TensorCore"]),
        library("SafetensorsFormat", ["ByteIO", "JSONText", "TensorCore", "ContainerKit"]),
        library("TensorFlowFormat", ["ByteIO", "TensorCore", "ContainerKit"]),
        library("GGUFFormat", ["ByteIO", "JSONText", "TensorCore", "Quantization", "ContainerKit"]),
        library("PyTorchFormat", ["ByteIO", "JSONText", "TensorCore", "ContainerKit"]),
        library("FlatFormat", ["ByteIO", "TensorCore", "ContainerKit"]),
        // 4
        library("Architectures", ["JSONText", "TensorCore"]),
        library(
            "Checkpoints",
            [
                "ByteIO", "JSONText", "TensorCore", "Quantization", "ContainerKit", "SafetensorsFormat", "TensorFlowFormat",
                "GGUFFormat", "PyTorchFormat", "FlatFormat", "Architectures", "Tokenization",
            ]),
        library(
            "Adapters",
            [
                "ByteIO", "JSONText", "TensorCore", "Quantization", "ContainerKit", "SafetensorsFormat", "GGUFFormat", "PyTorchFormat",
                "Architectures",
            ]),
        library("Transformer", ["CKernels", "Parallelism", "TensorCore", "Quantization", "Architectures"]),
        library("Tokenization", ["ByteIO", "JSONText"]),
        library("Jinja", ["JSONText"]),
        library("Prompts", ["ByteIO", "JSONText", "Checkpoints", "Tokenization", "Jinja"]),
        // 5
        library(
            "ModelLoading",
            [
                "ByteIO", "JSONText", "Parallelism", "TensorCore", "Quantization", "Architectures", "Checkpoints", "Adapters",
                "Tokenization",
                "Transformer",
            ]),
        library("Streaming", ["ByteIO", "JSONText", "Parallelism", "TensorCore", "Quantization", "Checkpoints"]),
        library(
            "Parts",
            [
                "ByteIO", "JSONText", "Parallelism", "TensorCore", "Quantization", "ContainerKit", "SafetensorsFormat", "GGUFFormat",
                "Checkpoints", "Streaming",
            ]),
        library("Inspection", ["ByteIO", "JSONText", "Parallelism", "TensorCore", "Quantization", "Checkpoints", "Adapters", "Streaming"]),
        library(
            "Comparison",
            [
                "ByteIO", "JSONText", "Parallelism", "TensorCore", "Quantization", "Architectures", "Checkpoints", "Transformer",
                "ModelLoading", "Calibration", "Streaming",
            ]),
        library(
            "Conversion",
            [
                "ByteIO", "JSONText", "Parallelism", "TensorCore", "Quantization", "ContainerKit", "SafetensorsFormat", "GGUFFormat",
                "Architectures", "Tokenization", "Checkpoints", "ModelLoading", "Calibration", "Streaming", "Parts",
            ]),
        library(
            "Merging",
            [
                "CKernels", "ByteIO", "JSONText", "Compression", "Parallelism", "TensorCore", "Quantization", "ContainerKit",
                "SafetensorsFormat", "Architectures", "Checkpoints", "Adapters", "Transformer", "ModelLoading", "Calibration", "Streaming",
                "Parts",
            ]),
        // Apart from Merging, as OpenBLAS starts threads, which look for work for a while, in each tool that links it.
        library(
            "AdapterAlgebra",
            [
                "ByteIO", "JSONText", "Parallelism", "TensorCore", "LinearAlgebra", "Architectures", "Checkpoints", "Adapters", "Streaming",
                "Merging",
            ]),
        // Apart from Training, which links BLAS: measuring reads records, too.
        library("Records", ["CKernels", "ByteIO", "JSONText", "Compression", "TensorCore", "Tokenization", "Prompts"]),
        library(
            "Training",
            [
                "CKernels", "COpenBLAS", "ByteIO", "JSONText", "Compression", "Parallelism", "TensorCore", "Quantization",
                "SafetensorsFormat", "Architectures", "Checkpoints", "Adapters", "Tokenization", "Transformer", "ModelLoading", "Prompts",
                "Records",
            ]),
        library("Evaluation", ["Architectures", "Parallelism", "TensorCore", "Tokenization", "Transformer"]),
        library(
            "Calibration",
            [
                "CKernels", "ByteIO", "JSONText", "Parallelism", "TensorCore", "Quantization", "SafetensorsFormat", "GGUFFormat",
                "Architectures", "Checkpoints", "Tokenization", "Transformer", "ModelLoading",
            ]),
        // Apart from Calibration, as it differentiates, and links BLAS with that.
        library(
            "Sensitivity",
            [
                "ByteIO", "JSONText", "Parallelism", "Quantization", "Architectures", "Checkpoints", "Tokenization", "Transformer",
                "ModelLoading", "Records", "Calibration", "Training", "CKernels", "TensorCore",
            ]),
        // Likewise.
        library(
            "Distillation",
            [
                "ByteIO", "JSONText", "Parallelism", "TensorCore", "Quantization", "Architectures", "Checkpoints", "Transformer",
                "ModelLoading", "Records", "Calibration", "Training",
            ]),
        library("CommandLineKit"),
        library(
            "Reports",
            [
                "ByteIO", "JSONText", "TensorCore", "Quantization", "Checkpoints", "Streaming", "Inspection", "Comparison",
                "CommandLineKit",
            ]),
        // 6: tools
        library(
            "ToolSupport",
            [
                "CBuild", "CKernels", "ByteIO", "JSONText", "TensorCore", "Quantization", "Checkpoints", "Adapters", "Streaming",
                "Parts", "Inspection", "CommandLineKit",
            ]),
        tool(
            "qconvert",
            [
                "GGUFFormat", "Architectures", "Parallelism", "Tokenization", "Conversion", "Parts", "Transformer", "ModelLoading",
                "Calibration", "Training", "Sensitivity", "Distillation", "ModelToolSupport", "CalibrationSupport",
            ]),
        tool(
            "qinspect",
            [
                "CKernels", "Parallelism", "ContainerKit", "GGUFFormat", "Architectures", "Parts", "Inspection", "Comparison", "Reports",
                "Tokenization", "Prompts",
                "PromptSupport",
            ]),
        tool(
            "qmerge",
            [
                "Parts", "Parallelism", "Architectures", "ModelLoading", "Calibration", "Merging", "AdapterAlgebra", "Tokenization",
                "Prompts", "Transformer", "Records", "Evaluation", "PromptSupport", "ModelToolSupport", "CalibrationSupport",
                "MergeSupport",
            ]),
        library(
            "MergeSupport",
            [
                "ByteIO", "JSONText", "Parallelism", "Checkpoints", "Adapters", "Transformer", "ModelLoading", "Calibration", "Merging",
                "Streaming", "CommandLineKit", "ToolSupport", "CalibrationSupport",
            ]),
        library(
            "CalibrationSupport",
            [
                "ByteIO", "JSONText", "Architectures", "Checkpoints", "Tokenization", "Prompts", "ModelLoading", "Calibration", "Records",
                "CommandLineKit", "ToolSupport", "PromptSupport",
            ]),
        library("PromptSupport", ["ByteIO", "JSONText", "Tokenization", "Jinja", "Prompts", "CommandLineKit"]),
        // Apart from ToolSupport, as tools that run no model would carry and build the whole engine for it.
        library(
            "ModelToolSupport",
            [
                "ByteIO", "JSONText", "Architectures", "Checkpoints", "Adapters", "Streaming", "Inspection", "Tokenization", "Prompts",
                "Transformer", "ModelLoading", "CommandLineKit", "ToolSupport",
            ]),
        tool(
            "qverify",
            [
                "Inspection", "Comparison", "Parts", "Merging", "Parallelism", "Architectures", "Tokenization", "Prompts", "Transformer",
                "Evaluation", "Records", "ModelLoading", "GGUFFormat", "Calibration", "PromptSupport", "ModelToolSupport",
                "CalibrationSupport",
                "Reports",
            ]),
        tool(
            "qrun",
            [
                "Inspection", "Parallelism", "SafetensorsFormat", "Architectures", "Tokenization", "Prompts", "Transformer", "ModelLoading",
                "PromptSupport", "ModelToolSupport",
            ]),
        .executableTarget(
            name: "qtrain",
            dependencies: [
                platform, "ByteIO", "JSONText", "Parallelism", "TensorCore", "ContainerKit", "Architectures", "Checkpoints", "Adapters",
                "Tokenization", "Prompts", "Transformer", "ModelLoading", "Records", "Training", "Evaluation", "Streaming",
                "Merging", "CommandLineKit", "Reports", "ToolSupport", "PromptSupport", "ModelToolSupport", "MergeSupport",
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "kernelbench",
            dependencies: [
                platform, "ByteIO", "CKernels", "COpenBLAS", "Parallelism", "Quantization", "TensorCore", "Tokenization", "Transformer",
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "toolbench",
            dependencies: [
                platform, "ByteIO", "JSONText", "LinearAlgebra", "Parallelism", "TensorCore", "SafetensorsFormat", "Architectures",
                "Adapters", "CommandLineKit", "Tokenization",
            ],
            swiftSettings: swiftSettings),
        // tests
        .target(
            name: "TestSupport",
            dependencies: [platform, "ByteIO", "JSONText", "TensorCore", "SafetensorsFormat", "CommandLineKit"],
            path: "Tests/TestSupport", swiftSettings: swiftSettings),
        tests(
            "TestSupportTests",
            [
                "ByteIO", "TensorCore", "Quantization", "SafetensorsFormat", "TensorFlowFormat", "GGUFFormat", "PyTorchFormat",
                "Checkpoints",
                "Adapters", "Streaming", "Conversion",
            ]),
        tests("CKernelsTests", ["CKernels"]),
        tests("QuantizationTests", ["ByteIO", "CKernels", "Quantization", "TensorCore"]),
        tests("CommandLineKitTests", ["CommandLineKit"]),
        tests(
            "FormatDocumentsTests",
            [
                "ByteIO", "JSONText", "Compression", "TensorCore", "Quantization", "SafetensorsFormat", "GGUFFormat", "FlatFormat",
                "Checkpoints",
                "Adapters", "Architectures", "Streaming",
                "Conversion", "Inspection", "Merging",
            ]),
        tests(
            "ToolTests",
            [
                "ByteIO", "JSONText", "TensorCore", "Quantization", "Adapters", "Inspection", "Comparison", "CommandLineKit", "qconvert",
                "qinspect",
                "qmerge", "qrun", "qtrain", "qverify", "SafetensorsFormat", "GGUFFormat", "ToolSupport", "Records", "Training", "Reports",
                "Architectures", "Checkpoints", "Parallelism", "Transformer", "ModelLoading", "Calibration", "Conversion", "Streaming",
                "CalibrationSupport", "Distillation",
            ]),
        tests(
            "EvaluationTests",
            [
                "Records", "ByteIO", "JSONText", "Parallelism", "TensorCore", "Architectures", "Checkpoints", "Tokenization", "Prompts",
                "Transformer",
                "ModelLoading",
                "Evaluation",
            ]),
        tests(
            "CalibrationTests",
            [
                "CKernels", "ByteIO", "JSONText", "Parallelism", "TensorCore", "Quantization", "Architectures", "Checkpoints",
                "Tokenization", "Prompts",
                "Transformer", "ModelLoading", "Records", "Training", "Calibration", "Sensitivity", "Distillation",
            ]),
        tests("TokenizationTests", ["ByteIO", "JSONText", "Tokenization"]),
        tests("PromptsTests", ["ByteIO", "JSONText", "Jinja", "Prompts", "Tokenization"]),
        tests("JinjaTests", ["ByteIO", "JSONText", "Jinja"]),
        tests("TensorFlowFormatTests", ["ByteIO", "TensorCore", "TensorFlowFormat"]),
        tests("GGUFFormatTests", ["ByteIO", "JSONText", "TensorCore", "GGUFFormat"]),
        tests("PyTorchFormatTests", ["ByteIO", "TensorCore", "SafetensorsFormat", "PyTorchFormat"]),
        tests("FlatFormatTests", ["ByteIO", "TensorCore", "FlatFormat"]),
        tests("JSONTextTests", ["JSONText"]),
        tests(
            "CheckpointsTests",
            [
                "ByteIO", "Compression", "JSONText", "TensorCore", "Quantization", "ContainerKit", "SafetensorsFormat",
                "TensorFlowFormat", "Architectures", "Tokenization", "Checkpoints",
            ]),
        tests(
            "ModelLoadingTests",
            [
                "ByteIO", "JSONText", "TensorCore", "Parallelism", "Architectures", "Checkpoints", "Adapters", "Tokenization", "Prompts",
                "Transformer", "ModelLoading",
                "Quantization", "SafetensorsFormat", "Streaming", "Conversion", "Inspection", "Comparison", "Merging",
            ]),
        tests(
            "OperationsTests",
            [
                "ByteIO", "JSONText", "TensorCore", "Quantization", "SafetensorsFormat", "GGUFFormat", "Architectures", "Tokenization",
                "Checkpoints", "Adapters", "Streaming", "Parts", "Conversion", "Inspection", "Comparison", "Merging", "AdapterAlgebra",
                "Parallelism", "Transformer", "ModelLoading", "Calibration",
            ]),
        tests(
            "AdaptersTests",
            [
                "ByteIO", "JSONText", "TensorCore", "Quantization", "SafetensorsFormat", "GGUFFormat", "Architectures", "Adapters",
                "ContainerKit",
            ]),
        tests("ByteIOTests", ["ByteIO", "CKernels", "ContainerKit"]),
        tests("CompressionTests", ["Compression"]),
        tests(
            "TrainingTests",
            [
                "CKernels", "ByteIO", "JSONText", "Parallelism", "TensorCore", "SafetensorsFormat", "Architectures", "Checkpoints",
                "Adapters",
                "Transformer", "ModelLoading",
                "Tokenization", "Prompts", "Records", "Training",
            ]),
        tests("ParallelismTests", ["Parallelism"]),
        tests("PlatformTests", []),
        tests("ArchitecturesTests", ["JSONText", "Architectures", "TensorCore"]),
        tests("TransformerTests", ["CKernels", "JSONText", "Parallelism", "TensorCore", "Quantization", "Architectures", "Transformer"]),
        tests("LinearAlgebraTests", ["LinearAlgebra"]),
        tests("TensorCoreTests", ["TensorCore"]),
        tests("SafetensorsFormatTests", ["ByteIO", "JSONText", "TensorCore", "SafetensorsFormat"]),
    ]
)

if isFuzzing {
    package.targets.append(
        .executableTarget(
            name: "fuzz",
            dependencies: [
                platform, "ByteIO", "JSONText", "TensorCore", "Quantization", "SafetensorsFormat", "TensorFlowFormat", "GGUFFormat",
                "PyTorchFormat", "FlatFormat", "Checkpoints", "Architectures", "Adapters", "Tokenization", "Jinja", "Streaming", "Parts",
                "Conversion", "Inspection",
            ],
            exclude: ["run.sh"], swiftSettings: swiftSettings,
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]))
}

for target in package.targets where target.type != .test && target.path == nil { settle(target) }
