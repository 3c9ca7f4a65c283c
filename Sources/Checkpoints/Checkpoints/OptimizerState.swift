import TensorCore

/// What the checkpoints of a training in TensorFlow hold beside the weights: slots of the optimizer and counters.
///
/// A slot is named after its variable and the optimizer, with a number where there are several of one variable:
///
///     model/wte         model/wte/Adam     model/wte/Adam_1     model/wte/ExponentialMovingAverage
///     beta1_power       beta2_power        global_step
enum OptimizerState {
    private static let optimizers: Set<Substring> = [
        "Adam", "AdamW", "AdamWeightDecayOptimizer", "AdaMax", "Nadam", "LazyAdam", "LAMB", "LAMBOptimizer", "Adafactor", "Adagrad",
        "Adadelta", "Momentum", "RMSProp", "Ftrl", "ExponentialMovingAverage",
        // BERT's own optimizer names its slots apart.
        "adam_m", "adam_v", "lamb_m", "lamb_v",
    ]

    /// Whether a component of a name is that of an optimizer's slot: `Adam`, `Adam_1`.
    static func isSlot(_ component: Substring) -> Bool {
        if optimizers.contains(component) { return true }
        guard let underscore = component.lastIndex(of: "_"), Int(component[component.index(after: underscore)...]) != nil else {
            return false
        }
        return optimizers.contains(component[..<underscore])
    }

    /// Whether a tensor that is no variable of the model belongs to its training: a slot of one of the variables, or a counter.
    ///
    /// - Parameter variables: the names of the model's own.
    static func holds(_ info: TensorInfo, besides variables: Set<String>) -> Bool {
        // Of the variables of a model none is a scalar.
        guard let slash = info.name.lastIndex(of: "/") else { return info.shape.dimensions.isEmpty }
        return isSlot(info.name[info.name.index(after: slash)...]) && variables.contains(String(info.name[..<slash]))
    }
}
