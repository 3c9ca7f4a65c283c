import JSONText
import Testing

@testable import Prompts

@Suite struct ToolCallTests {
    private static let calls: [(convention: ToolCallConvention, said: String, calls: String)] = [
        (
            .tagged, "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"\"}}\n</tool_call><|im_end|>",
            #"[{"name":"f","arguments":{"a":"}\""}}]"#
        ),
        (
            .tagged, "<tool_call>{\"name\": \"f\"}</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": {\"b\": [1]}}",
            #"[{"name":"f","arguments":{}},{"name":"g","arguments":{"b":[1]}}]"#
        ),
        (.tagged, "<tool_call>{\"name\": }</tool_call>", "[]"), (.tagged, "no call", "[]"), (.tagged, "<tool_call>", "[]"),
        (.bare, "{\"name\": \"f\", \"parameters\": {\"a\": 1}}<|eot_id|>", #"[{"name":"f","arguments":{"a":1}}]"#),
        (
            .bare, "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"a\": \"x;y\"}}; {\"name\": \"g\", \"parameters\": {}}<|eom_id|>",
            #"[{"name":"f","arguments":{"a":"x;y"}},{"name":"g","arguments":{}}]"#
        ),
        (.bare, "I say {\"name\": \"f\"}", "[]"),
        (.listed, "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"x\"}]</s>", #"[{"name":"f","arguments":{"a":1}}]"#),
        (
            .listed, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[CALL_ID]9[ARGS]{}</s>",
            #"[{"name":"f","arguments":{"a":1}},{"name":"g","arguments":{}}]"#
        ),
        (.listed, "[TOOL_CALLS]", "[]"),
    ]

    @Test(arguments: calls.indices)
    func findsCalls(_ index: Int) {
        let (convention, said, calls) = Self.calls[index]
        #expect(JSONValue.array(convention.calls(in: said)).text(.compact) == calls)
    }

    @Test func knowsConventionsByTheirMarks() {
        #expect(ToolCallConvention(template: "'<tool_call>\n' + call | tojson") == .tagged)
        #expect(ToolCallConvention(template: "<tool_call>\n<function=name>") == nil)
        #expect(ToolCallConvention(template: "[TOOL_CALLS]") == .listed)
        #expect(ToolCallConvention(template: #"role == 'ipython' '"parameters": '"#) == .bare)
        #expect(ToolCallConvention(template: "<|im_start|>") == nil)
    }
}
