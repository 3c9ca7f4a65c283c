/// Number of a token in a vocabulary, which is its row in the embedding. Never negative in what is encoded.
package typealias TokenID = Int32
