/// How long a place stays empty after its worker ended.
///
/// The pause doubles from 50 ms to 5 s as long as nothing comes of the workers.
/// How many deaths a *stage* may have is not counted here but in the store, so
/// that it holds for workers started by hand too.
package struct RestartPolicy: Sendable, Hashable {
    package static let base = Duration.milliseconds(50)
    package static let cap = Duration.seconds(5)

    /// What came of a worker.
    package enum Event: Sendable, Hashable {
        /// Its death halved a batch, or was charged to an item: the next one is a step nearer to the culprit.
        case charged
        /// Its stage has settled or put something since it was started.
        case progressed
        /// Neither.
        case fruitless
    }

    /// Workers in a row of which nothing came.
    private var fruitless = 0

    package init() {}

    /// The pause before the next start.
    package mutating func event(_ event: Event) -> Duration {
        switch event {
        case .charged:
            fruitless = 0
            return .zero
        case .progressed:
            fruitless = 0
            return Self.base
        case .fruitless:
            // 2¹⁰ · 50 ms is past the cap.
            let pause = min(Self.base * (1 << min(fruitless, 10)), Self.cap)
            fruitless += 1
            return pause
        }
    }
}
