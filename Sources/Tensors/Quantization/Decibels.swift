import Platform

extension ErrorStatistics.Totals {
    /// Signal to noise in decibels; infinite where nothing was lost.
    package var decibels: Double { -20 * log10(relativeError) }
}
