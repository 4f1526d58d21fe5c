/// What a worker that takes items does next.
///
/// The decisions of its loop, apart from the store and the clock that they are about.
enum ClaimAction: Equatable {
    case claim
    /// The lease's items are to be worked on.
    case work(Lease)
    /// A stop was asked for before the items were begun.
    case handBack(Lease)
    /// Nothing is ready: wait for a commit, or until this wall-clock time if one is known.
    case rest(until: Int64?)
    /// The queue that it puts into is full: wait for room.
    case restForRoom(in: QueueName)
    /// The worker was declared dead, or its lease taken away: enroll under a new number.
    case enroll
    /// Nothing is left to do.
    case finish
    /// The stage hands out nothing more.
    case fail(reason: String)
    case stop

    /// - Parameter claim: the store's answer; `nil` when it was not asked for a next batch.
    static func after(_ claim: Claim?, isStopping: Bool) -> ClaimAction {
        switch claim {
        case .granted(let lease): isStopping ? .handBack(lease) : .work(lease)
        case .nothing(let until): isStopping ? .stop : .rest(until: until)
        // Whoever is told this held something, and holds nothing any more.
        case .settleFirst: isStopping ? .stop : .claim
        case .full(let queue): isStopping ? .stop : .restForRoom(in: queue)
        case .finished: .finish
        case .refused(let reason): .fail(reason: reason)
        case nil: isStopping ? .stop : .claim
        }
    }
}
