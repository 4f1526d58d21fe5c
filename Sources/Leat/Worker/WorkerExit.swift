/// How a worker's work came to its end.
public enum WorkerExit: Sendable, Hashable {
    /// Nothing is left to do for its stage, which stands like this now.
    case finished(StageState)
    /// The stage hands out nothing more, or ended with more dead items than it tolerates.
    case failed(reason: String)
    /// It was told to stop. What it had begun is committed, the rest handed back.
    case stopped
    /// The database was taken away under it.
    case lost
}
