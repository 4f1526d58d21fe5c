/// What a commit survives once it is answered.
public enum Durability: String, Sendable, Hashable, Codable, CaseIterable {
    /// A power cut: it is on the disk before it is answered.
    case powerCut = "power-cut"
    /// The death of any process. A power cut, or a crash of the system, may undo the last commits, each as a whole, as if
    /// they had not been made: for stages whose input can be had again, and puts that somebody can repeat. What others
    /// commit later by ``powerCut`` takes these along; what finds its key there already commits nothing, and so takes nothing
    /// along.
    case processCrash = "process-crash"
}
