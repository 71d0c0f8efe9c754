#if Server
import HTTPTypes
import HummingbirdCore
import StreamStorage

/// What is answered to requests that are not POST: health, readiness, metrics, and what browsers ask beforehand (API-E-1,
/// API-P-8, API-P-9).
struct OperatingPages: Sendable {
    let readiness: Readiness
    let metrics: PrometheusMetrics?

    /// The answer; nil where there is no such page.
    func answer(to request: Request) async -> Answer? {
        if request.method == .options, request.headers[.origin] != nil {
            var answer = Answer(status: 200, contentType: nil, page: [])
            answer.isPreflight = true
            return answer
        }
        guard request.method == .get || request.method == .head else { return nil }
        switch request.uri.path {
        case "/health", "/healthcheck": return text(200, "ok\n")
        case "/ready":
            let reason = await readiness.reason()
            return text(reason == nil ? 200 : 503, reason.map { "\($0)\n" } ?? "ready\n")
        case "/metrics":
            guard let metrics else { return nil }
            return Answer(
                status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", page: metrics.text())
        default: return nil
        }
    }

    private func text(_ status: Int, _ text: String) -> Answer {
        Answer(status: status, contentType: "text/plain; charset=utf-8", page: Array(text.utf8))
    }
}
#endif
