package import JSONText
package import Quantization

extension ErrorStatistics.Totals {
    /// What `--json` says of an error; numbers that are not finite are null.
    package var document: JSONObject {
        JSONObject([
            "weights": .integer(elementCount), "relative_rmse": .double(relativeError), "rmse": .double(rootMeanSquareError),
            "max_error": .double(largestError), "max_error_index": .integer(largestErrorIndex), "mean_error": .double(meanError),
            "snr_db": .double(decibels), "cosine": .double(cosineSimilarity),
        ])
    }
}
