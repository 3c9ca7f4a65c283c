import ByteIO
import Parts

extension Reader {
    /// The lines of a part of a conversion: its frame, or its results; the lowest bit of a byte before them says which.
    static let part = Reader(
        "part",
        words: [
            "\"source_runs\":1", "\"constants\":1", "\"states\":1", "\"tensors\":1", "\"first_block\":1", "\"blocks\":2", "\".absmax\"",
            "\"block_size\":64", "9223372036854775807", "[1,\"00000001\",0,64]", "\n",
        ],
        mutation: .texts(prefixByteCount: 1),
        seeds: { _ in [[0] + Array(frame.utf8), [1] + Array(results.utf8)] },
        read: { bytes in
            let lines = Array(bytes.dropFirst())
            do throws(FileError) {
                if bytes.first.map({ $0 & 1 == 0 }) ?? true {
                    let frame = try PartFrame(lines: lines, path: "p")
                    require(try PartFrame(lines: frame.lines, path: "p").lines == frame.lines, "a frame is read as it is written")
                } else {
                    let record = try PartRecord(lines: lines, path: "p")
                    require(try PartRecord(lines: record.lines, path: "p").lines == record.lines, "results are read as they are written")
                    for run in record.constants {
                        require(run.firstBlock + run.blockCount <= run.wholeBlockCount, "a run is of the blocks of its weight")
                    }
                }
            } catch {
                tell(error)
            }
        })

    private static let frame =
        #"{"version":2,"tool":"qconvert 0.1.0","command":"to-nf4","options":[],"source":"sha256:0","output":"file","#
        + #""files":[{"name":"","form":"qnf"}],"tensors":1,"states":1,"sources":1,"settings":{},"lineage":[{}],"#
        + #""source_kind":"safetensors file","source_files":[["a",9]]}"# + "\n"
        + #"["w","U8",[64],64,0,null]"# + "\n" + #"["s",300]"# + "\n" + #"["w","BF16",[2,64],0]"# + "\n"
    private static let results =
        #"{"tensors":2,"sources":1,"source_runs":1,"states":1,"constants":1,"pieces":1,"overflows":0,"underflows":3,"#
        + #""reference_squares":2.5,"error_squares":0.5,"nonfinite":[["w",7]],"warnings":["odd"]}"# + "\n"
        + #"[0,"00000001"]"# + "\n" + #"[1,"00000002",64,192]"# + "\n" + #"[5,"00000003"]"# + "\n"
        + #"[6,"00000004",128,384,768,"0000000a","w"]"# + "\n" + #"[3,"{}"]"# + "\n"
        + #"{"state":4,"quant_type":"nf4","block_size":64,"double_quant":true,"dtype":"BF16","shape":[4,96],"#
        + #""tensors":[[".absmax",2],[".quant_map",3]],"first_block":2,"blocks":4}"# + "\n" + #"["part/frame","00000005"]"# + "\n"
}
