/// The style sheet of a report. No rule names a colour: all come from `Palette`, so that each has its dark twin.
enum PageStyle {
    static var css: String {
        let light = Palette.all.map { "--\($0.name):\($0.light);" }.joined()
        let dark = Palette.all.map { "--\($0.name):\($0.dark);" }.joined()
        return """

            :root{color-scheme:light dark;\(light)}
            @media screen and (prefers-color-scheme:dark){:root{\(dark)}}
            \(page)
            \(tables)
            \(charts)
            \(steps)
            \(surroundings)

            """
    }

    private static let page = """
        *{box-sizing:border-box}
        body{margin:0;background:var(--page);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        header,main,footer{max-width:68rem;margin:0 auto;padding:0 1.25rem}
        header{padding-top:2.5rem}
        h1{font-size:clamp(1.6rem,5vw,2.4rem);line-height:1.15;margin:0;overflow-wrap:anywhere}
        h2{font-size:1.3rem;line-height:1.25;margin:0 0 .25rem}
        h3{font-size:1rem;margin:1.5rem 0 .25rem}
        p{margin:.25rem 0 .75rem;max-width:65ch}
        a{color:var(--accent)}
        code,.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.86em;overflow-wrap:anywhere}
        section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.25rem 1.4rem;margin:1.1rem 0}
        footer{color:var(--muted);font-size:.85rem;padding-bottom:2.5rem}
        .lead,.note,.caption,dt{color:var(--muted)}
        .lead{margin:.35rem 0 0;font-size:1.05rem}
        .note{font-size:.9rem}
        nav{margin:1.1rem 0 0;display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;font-size:.92rem}
        nav a{text-decoration:none;padding:.25rem 0}
        nav a:hover{text-decoration:underline}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.8rem;margin:1.4rem 0 0}
        .tile{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:.75rem 1rem}
        .tile b{display:block;font-size:1.45rem;line-height:1.25;font-weight:650;white-space:nowrap;font-variant-numeric:tabular-nums}
        .tile span{color:var(--muted);font-size:.87rem}
        .verdict{display:flex;gap:.7rem;align-items:baseline;border-radius:.75rem;padding:.7rem 1rem;margin:1.1rem 0 0;border:1px solid}
        .verdict b{white-space:nowrap}
        .good{color:var(--good);background:var(--good-back)}
        .bad{color:var(--bad);background:var(--bad-back)}
        dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem;margin:.5rem 0;font-size:.93rem}
        dd{margin:0;min-width:0;overflow-wrap:anywhere}
        ol.steps{margin:.5rem 0 0;padding-left:1.3rem}
        summary{cursor:pointer;color:var(--accent);padding:.35rem 0}
        """

    private static let tables = """
        .scroll{overflow-x:auto;margin:.5rem 0}
        table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;min-width:100%}
        .caption{font-size:.87rem;margin:1rem 0 -.2rem}
        th,td{text-align:right;padding:.32rem .7rem;border-bottom:1px solid var(--line);white-space:nowrap}
        th:first-child,td:first-child,th.left,td.left{text-align:left}
        th:first-child,td:first-child{padding-left:0}
        thead th{color:var(--muted);font-weight:600;vertical-align:bottom}
        tbody th{font-weight:400}
        tfoot td,tfoot th{font-weight:650;border-bottom:0}
        .heat{border-collapse:separate;border-spacing:2px;min-width:0}
        .heat th,.heat td{border:0;padding:.28rem .55rem;text-align:center}
        .heat tbody th,.heat thead th:first-child{position:sticky;left:0;background:var(--card);text-align:left;padding-left:0;z-index:1}
        .heat td{border-radius:.25rem;min-width:5rem}
        .dense{font-size:.8rem;border-spacing:1px}
        .dense th,.dense td{padding:.02rem .5rem}
        .legend{display:flex;flex-wrap:wrap;gap:.25rem .9rem;align-items:center;font-size:.87rem;color:var(--muted);margin:.4rem 0}
        .swatch{display:inline-block;width:.85em;height:.85em;border-radius:.2em;margin-right:.45em;vertical-align:-.08em}
        .scale{display:flex;border-radius:.25rem;overflow:hidden}
        .scale span{width:min(2.2rem,7vw);height:.9rem}
        """

    private static let charts = """
        .plot{padding:.6rem 0 0 3.4rem;margin:.25rem 0}
        .plot svg{display:block;width:100%;overflow:visible}
        svg text{fill:var(--muted);font-size:12px;font-family:inherit}
        .axis{stroke:var(--line);stroke-width:1}
        .bar{display:block;width:100%;height:1.9rem;border-radius:.4rem;overflow:hidden;margin:.6rem 0}
        .meter{display:block;width:100%;height:.7rem;min-width:8rem}
        .few{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1.1rem 1.6rem;margin:.6rem 0}
        .few figure{margin:0;min-width:0}
        .few svg{display:block;width:100%}
        figcaption{font-size:.87rem;color:var(--muted)}
        figcaption b{color:var(--text);overflow-wrap:anywhere}
        .fill{fill:var(--accent)}
        """

    /// Classes of the steps of a scale.
    private static var steps: String {
        let heat = (0..<Palette.heatStepCount).map { ".heat-\($0){background:var(--heat-\($0));color:var(--heat-text-\($0))}" }
        let types = (0..<Palette.typeCount).map { ".type-\($0){fill:var(--type-\($0));background:var(--type-\($0))}" }
        return (heat + types + [".exact{color:var(--muted);border:1px dashed var(--line)}"]).joined(separator: "\n")
    }

    /// Narrow screens, and paper: there, nothing is cut off, and colours that mean something are printed.
    private static let surroundings = """
        @media screen and (max-width:30rem){section{padding:1rem}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.4rem}
        header,main,footer{padding-left:.8rem;padding-right:.8rem}}
        @media screen and (max-width:48rem){.wide{display:none}tbody th{white-space:normal;overflow-wrap:anywhere;min-width:8.5rem}
        .heat tbody th{min-width:0}}
        @media print{body{background:none;font-size:9pt}nav,summary{display:none}header{padding-top:0}.scroll{overflow:visible}
        section{border:0;border-radius:0;padding:0;margin:1.6rem 0}h2,h3,.caption,.legend{break-after:avoid}
        figure,tr,.plot,.verdict,.tile{break-inside:avoid}
        *{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
        """
}
