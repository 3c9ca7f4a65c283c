/// The colours of a report, each for light and for dark surroundings.
enum Palette {
    struct Color {
        /// Of the custom property: `--text`.
        let name: String
        let light: String
        let dark: String
    }

    /// Steps of the heat map, from the smallest error to the largest.
    static let heatStepCount = 7
    /// Kinds of storage that charts tell apart; more share the last colour.
    static let typeCount = 5

    static let all: [Color] = [
        Color(name: "page", light: "#f6f5f2", dark: "#14161b"),
        Color(name: "card", light: "#ffffff", dark: "#1d2027"),
        Color(name: "line", light: "#e2dfd8", dark: "#343944"),
        Color(name: "text", light: "#1d2129", dark: "#e9eaee"),
        Color(name: "muted", light: "#596070", dark: "#a3abba"),
        Color(name: "accent", light: "#0b6b63", dark: "#4fd1c0"),
        Color(name: "good", light: "#0f6b39", dark: "#63d297"),
        Color(name: "good-back", light: "#e3f4e9", dark: "#16301f"),
        Color(name: "bad", light: "#a3221b", dark: "#ff9b8f"),
        Color(name: "bad-back", light: "#fde9e6", dark: "#3c1b18"),
        Color(name: "type-0", light: "#0e7c72", dark: "#3cc0b0"),
        Color(name: "type-1", light: "#d98613", dark: "#f0b04a"),
        Color(name: "type-2", light: "#6a5acd", dark: "#a99cf5"),
        Color(name: "type-3", light: "#c2477f", dark: "#f08db9"),
        Color(name: "type-4", light: "#6f7887", dark: "#98a1b1"),
        Color(name: "heat-0", light: "#fdf3dc", dark: "#2c2621"),
        Color(name: "heat-1", light: "#fbe3b0", dark: "#45331f"),
        Color(name: "heat-2", light: "#f8cd83", dark: "#62421c"),
        Color(name: "heat-3", light: "#f3b05c", dark: "#82541b"),
        Color(name: "heat-4", light: "#e98a3c", dark: "#cf8a2b"),
        Color(name: "heat-5", light: "#bf4d1b", dark: "#eeac47"),
        Color(name: "heat-6", light: "#8c2a0e", dark: "#ffd083"),
        Color(name: "heat-text-0", light: "#2b2012", dark: "#f3e6d3"),
        Color(name: "heat-text-1", light: "#2b2012", dark: "#f3e6d3"),
        Color(name: "heat-text-2", light: "#2b2012", dark: "#f7ead8"),
        Color(name: "heat-text-3", light: "#2b2012", dark: "#fff4e4"),
        Color(name: "heat-text-4", light: "#201305", dark: "#1d1204"),
        Color(name: "heat-text-5", light: "#ffffff", dark: "#1d1204"),
        Color(name: "heat-text-6", light: "#ffffff", dark: "#1d1204"),
    ]

    /// Those of a picture that stands on its own.
    struct Plot {
        let paper, ink, label, grid, faint, plain, dashed: String

        static let light = Plot(
            paper: "#ffffff", ink: "#1a1a1a", label: "#555555", grid: "#e3e3e3", faint: "#9db8d9", plain: "#1f5fa8", dashed: "#c2571a")
        static let dark = Plot(
            paper: "#16181c", ink: "#ececec", label: "#a8a8a8", grid: "#34373d", faint: "#3f5a7d", plain: "#6aa5ea", dashed: "#f0935a")
    }
}
