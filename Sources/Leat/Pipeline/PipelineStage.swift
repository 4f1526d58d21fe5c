/// A stage of a pipeline: a ``Producer``, ``Transformer`` or ``Consumer``, with the modifiers that all have.
public protocol PipelineStage: Sendable {
    var definition: StageDefinition { get set }
}

extension PipelineStage {
    /// How many workers `run` starts; they share the stage's items. Order is promised for one worker only.
    public func workers(_ count: Int) -> Self {
        precondition(count >= 1, "a stage has at least one worker")
        return changed { $0.workers = count }
    }

    /// How many items one worker works on at once, each in a task of its own: for functions that wait for others.
    ///
    /// While some are worked on others are claimed and committed, so that no place stands empty. It is for functions of one
    /// item that do not see the database.
    ///
    /// - Parameters:
    ///   - count: At most so many.
    ///   - order: In which order what they give is put. It means nothing to a consumer.
    public func concurrency(_ count: Int, outputs order: OutputOrder = .asTaken) -> Self {
        precondition(count >= 1, "a worker works on at least one item")
        return changed { definition in
            definition.concurrency = count
            definition.outputOrder = order
            if case .item = definition.body { return }
            definition.problem =
                "Stage '\(definition.name)' is not called once an item, or sees the database, so it can't be at several at once; leave out concurrency, or give it more workers."
        }
    }

    /// At most so many items are claimed, or put by a producer, in one transaction.
    ///
    /// A function of one item is given fewer when items are slow: as many as take about a tenth of a second.
    public func batch(_ count: Int) -> Self {
        precondition(count >= 1, "a batch holds at least one item")
        return changed { $0.batch = count }
    }

    /// How long one call of the stage's function may take; then its worker's process ends itself.
    ///
    /// Of an item function a call is one item, of a batch function one batch, of a
    /// producer from a sequence one element; a producer from an `AsyncSequence` may
    /// wait as long as it likes.
    ///
    /// - Important: ``Pipeline/runInMemory(store:logger:)`` has no process that it could end: there a call that
    ///   takes too long is reported, and waited for.
    public func timeout(_ duration: Duration) -> Self {
        precondition(duration > .zero, "a timeout is longer than nothing")
        return changed { $0.timeout = duration }
    }

    /// How often and how soon a failed item is tried again.
    public func retry(_ policy: RetryPolicy) -> Self { changed { $0.spec.policy.retry = policy } }

    /// What is to become of an item whose function threw, by the error: for errors that are not yours to declare as
    /// ``AdvisingError``.
    ///
    /// ```swift
    /// .onError { error in
    ///     switch error {
    ///     case is DecodingError: .never
    ///     case let error as URLError where error.code == .notConnectedToInternet: .postpone(.seconds(60))
    ///     default: nil  // as the error says
    ///     }
    /// }
    /// ```
    ///
    /// - Note: It also judges what a producer, or a stage of a whole input, throws: there is no item to put off then,
    ///   so it is the stage that waits.
    public func onError(_ advice: @escaping @Sendable (any Error) -> RetryAdvice?) -> Self {
        changed { $0.onError = advice }
    }

    /// How many dead letters the stage may end with and still be complete.
    public func maxDead(_ tolerance: Tolerance) -> Self { changed { $0.spec.policy.maxDead = tolerance } }

    /// How many dead letters the stage may end with and still be complete.
    public func maxDead(_ count: Int) -> Self { maxDead(.atMost(count)) }

    /// When items die as if the stage itself were broken.
    public func breaker(_ breaker: Breaker) -> Self { changed { $0.spec.policy.breaker = breaker } }

    /// How many unsettled items the stage's queue may hold before the stages that feed it wait.
    ///
    /// It is looked at before they claim or go on, and never at a commit, so what one of their steps puts may exceed it.
    /// Stages of one cycle do not wait for each other.
    public func capacity(_ items: Int) -> Self {
        precondition(items >= 1, "a queue holds at least one item")
        return changed { definition in
            definition.spec.policy.capacity = items
            if definition.spec.input == nil {
                definition.problem =
                    "Stage '\(definition.name)' takes from no queue, so there is none to bound: give capacity to the stage that takes what it puts."
            } else if definition.spec.takesAll {
                definition.problem =
                    "Stage '\(definition.name)' waits for all of its queue, so those that feed it can't wait for room in it; leave out capacity."
            }
        }
    }

    /// What becomes of the items of the stage's queue once they are done.
    public func keep(_ keep: Keep) -> Self {
        changed { definition in
            definition.spec.policy.keep = keep
            if definition.spec.takesAll, keep != .all {
                definition.problem =
                    "Stage '\(definition.name)' works on all of its queue, again when that is reopened, so all of it must be kept; leave out keep."
            }
        }
    }

    /// How many items the stage begins in a time, all its workers together.
    public func rate(_ rate: Rate) -> Self {
        changed { definition in
            definition.spec.policy.rate = rate
            if definition.spec.input == nil || definition.spec.takesAll {
                definition.problem =
                    "Stage '\(definition.name)' does not take items one by one, so they have no rate: give it to a stage that does."
            }
        }
    }

    /// What the stage's commits survive.
    public func durability(_ durability: Durability) -> Self { changed { $0.spec.policy.durability = durability } }

    /// How many failures in a row, deaths and thrown errors, with no item to blame and no progress, the stage may have.
    public func crashes(_ count: Int) -> Self {
        precondition(count >= 1, "a stage may crash at least once before it is given up")
        return changed { $0.spec.policy.crashes = count }
    }

    /// A copy with another definition.
    package func changed(_ change: (inout StageDefinition) -> Void) -> Self {
        var copy = self
        change(&copy.definition)
        return copy
    }
}

/// In which order a worker puts what it makes of items that it works on side by side.
public enum OutputOrder: Sendable, Hashable, CaseIterable {
    /// In the order in which it took the items. One that takes long holds up the others: eight times as many as are worked on
    /// at once may be through and wait for it.
    case asTaken
    /// As they are through: nothing waits for one that takes long.
    case asFinished
}
