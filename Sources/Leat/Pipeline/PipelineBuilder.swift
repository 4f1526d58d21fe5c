/// Collects the stages of a ``Pipeline``; `if`, `for` and arrays of stages may stand between them.
@resultBuilder
public enum PipelineBuilder {
    public static func buildExpression(_ stage: any PipelineStage) -> [any PipelineStage] { [stage] }
    public static func buildExpression(_ stages: [any PipelineStage]) -> [any PipelineStage] { stages }
    public static func buildBlock(_ stages: [any PipelineStage]...) -> [any PipelineStage] { stages.flatMap { $0 } }
    public static func buildOptional(_ stages: [any PipelineStage]?) -> [any PipelineStage] { stages ?? [] }
    public static func buildEither(first stages: [any PipelineStage]) -> [any PipelineStage] { stages }
    public static func buildEither(second stages: [any PipelineStage]) -> [any PipelineStage] { stages }
    public static func buildArray(_ stages: [[any PipelineStage]]) -> [any PipelineStage] { stages.flatMap { $0 } }
}
