internal import Leat

// What people call stages and queues by.

/// The stage of that name.
///
/// - Throws: ``LeatError/Code/notFound``, listing the stages that there are.
func stageName(_ text: String, in plan: Plan) throws -> StageName {
    guard let stage = plan.stages.first(where: { $0.name.rawValue == text }) else {
        let names = plan.stages.map(\.name.rawValue).joined(separator: ", ")
        throw LeatError(.notFound, plan.lacks("stage", text, "stages", names))
    }
    return stage.name
}

/// The queue of that name.
///
/// - Throws: ``LeatError/Code/notFound``, listing the queues that there are.
func queueName(_ text: String, in plan: Plan) throws -> QueueName {
    guard let queue = plan.queues.first(where: { $0.rawValue == text }) else {
        let names = plan.queues.map(\.rawValue).joined(separator: ", ")
        throw LeatError(.notFound, plan.lacks("queue", text, "queues", names))
    }
    return queue
}

extension Plan {
    fileprivate func lacks(_ noun: String, _ name: String, _ plural: String, _ names: String) -> String {
        guard let pipeline, stages.count == pipelineStages.count else {
            return "There is no \(noun) '\(printable(name))'; the \(plural) are \(names)."
        }
        return "Pipeline '\(printable(pipeline))' has no \(noun) '\(printable(name))'; its \(plural) are \(names)."
    }
}
