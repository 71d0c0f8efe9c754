package import Testing
import TestSupport

/// Runs each test of a suite on a `RestingExecutor` of its own.
package struct RestingExecutorTrait: SuiteTrait, TestTrait, TestScoping {
    package let isRecursive = true

    package func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        try await RestingExecutor.run(function)
    }
}

extension Trait where Self == RestingExecutorTrait {
    /// Runs each test of a suite on a `RestingExecutor` of its own.
    package static var restingExecutor: RestingExecutorTrait { RestingExecutorTrait() }
}
