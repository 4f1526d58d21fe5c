internal import Tracing

// Calls of users' functions: each is timed, and is a span of the trace that its item came with.
extension Observation {
    /// A call on one item.
    func calling<Value>(
        _ item: Item, of stage: StageName, from queue: QueueName, _ call: () async throws -> Value
    ) async throws -> Value {
        try await timed(stage) {
            guard let tracer else { return try await call() }
            return try await tracer.withAnySpan(
                "process \(queue)", context: context(of: item), ofKind: .consumer
            ) { span in
                describe(span, item, stage, queue)
                return try await call()
            }
        }
    }

    /// The same inside the store's transaction, where nothing can wait.
    func calling<Value>(
        _ item: Item, of stage: StageName, from queue: QueueName, inTransaction call: () throws -> Value
    ) throws -> Value {
        let start = ContinuousClock.now
        defer { took(ContinuousClock.now - start, stage) }
        guard let tracer else { return try call() }
        return try tracer.withAnySpan(
            "process \(queue)", context: context(of: item), ofKind: .consumer
        ) { span in
            describe(span, item, stage, queue)
            return try call()
        }
    }

    /// A call on several items, or on none: a span of its own, with links to the traces that they came with.
    func calling<Value>(
        batch items: [Item], of stage: StageName, from queue: QueueName?, _ call: () async throws -> Value
    ) async throws -> Value {
        try await timed(stage) {
            guard let tracer else { return try await call() }
            return try await tracer.withAnySpan(
                "process \(queue?.rawValue ?? stage.rawValue)", context: .topLevel, ofKind: .consumer
            ) { span in
                describe(batch: items, span, stage, queue)
                return try await call()
            }
        }
    }

    /// The same inside the store's transaction.
    func calling<Value>(
        batch items: [Item], of stage: StageName, from queue: QueueName?, inTransaction call: () throws -> Value
    ) throws -> Value {
        let start = ContinuousClock.now
        defer { took(ContinuousClock.now - start, stage) }
        guard let tracer else { return try call() }
        return try tracer.withAnySpan(
            "process \(queue?.rawValue ?? stage.rawValue)", context: .topLevel, ofKind: .consumer
        ) { span in
            describe(batch: items, span, stage, queue)
            return try call()
        }
    }

    /// A put, within the span of whoever puts.
    func putting<Value>(
        into queue: QueueName, _ outputs: inout [Output], _ put: ([Output]) async throws -> Value
    ) async throws -> Value {
        guard let tracer else { return try await put(outputs) }
        return try await tracer.withAnySpan("put \(queue)", ofKind: .producer) { span in
            span.attributes["leat.queue"] = queue.rawValue
            span.attributes["leat.items"] = outputs.count
            sendTrace(with: &outputs, from: 0)
            return try await put(outputs)
        }
    }

    /// Outputs that carry the trace of whoever puts them.
    package func tracing(_ outputs: [Output]) -> [Output] {
        var outputs = outputs
        sendTrace(with: &outputs, from: 0)
        return outputs
    }

    /// Has outputs carry the trace that is current here, so that who works on them goes on with it.
    func sendTrace(with outputs: inout [Output], from index: Int) {
        guard let tracer, let context = ServiceContext.current, index < outputs.count else { return }
        var headers: [String: String] = [:]
        tracer.inject(context, into: &headers, using: HeaderInjector())
        guard !headers.isEmpty else { return }
        for index in index..<outputs.count { outputs[index].headers.merge(headers) { given, _ in given } }
    }

    // MARK: Parts

    private func timed<Value>(_ stage: StageName, _ call: () async throws -> Value) async throws -> Value {
        let start = ContinuousClock.now
        defer { took(ContinuousClock.now - start, stage) }
        return try await call()
    }

    private func took(_ duration: Duration, _ stage: StageName) {
        time(Metric.run, [("stage", stage.rawValue)], nanoseconds: duration.nanoseconds)
    }

    /// The trace that an item came with.
    private func context(of item: Item) -> ServiceContext {
        var context = ServiceContext.topLevel
        if !item.headers.isEmpty { tracer?.extract(item.headers, into: &context, using: HeaderExtractor()) }
        return context
    }

    private func describe(_ span: any Span, _ item: Item, _ stage: StageName, _ queue: QueueName) {
        span.attributes["leat.stage"] = stage.rawValue
        span.attributes["leat.queue"] = queue.rawValue
        span.attributes["leat.item"] = item.id.rawValue
        span.attributes["leat.attempt"] = item.attempts + 1
    }

    private func describe(batch items: [Item], _ span: any Span, _ stage: StageName, _ queue: QueueName?) {
        span.attributes["leat.stage"] = stage.rawValue
        if let queue { span.attributes["leat.queue"] = queue.rawValue }
        span.attributes["leat.items"] = items.count
        for item in items where !item.headers.isEmpty {
            span.addLink(SpanLink(context: context(of: item), attributes: [:]))
        }
    }
}

private struct HeaderInjector: Injector {
    func inject(_ value: String, forKey key: String, into headers: inout [String: String]) { headers[key] = value }
}

private struct HeaderExtractor: Extractor {
    func extract(key: String, from headers: [String: String]) -> String? { headers[key] }
}
