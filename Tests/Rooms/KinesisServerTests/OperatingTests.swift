#if Server
import KinesisAPI
import Logging
import Metrics
import ShardlineTesting
import StreamModel
import Testing

@testable import KinesisServer

/// What a server tells of itself, and what it is set to.
@Suite struct OperatingTests {
    private func text(_ metrics: PrometheusMetrics) -> String { String(decoding: metrics.text(), as: UTF8.self) }

    @Test func `metrics are written as Prometheus reads them`() {
        let metrics = PrometheusMetrics()
        Counter(label: "shardline.Puts", dimensions: [("stream", "a\"b\\c\nd")], factory: metrics).increment(by: 3)
        Counter(label: "shardline.Puts", dimensions: [("stream", "e")], factory: metrics).increment()
        Gauge(label: "7.lag", factory: metrics).record(2.5)
        Recorder(label: "sizes", dimensions: [], aggregate: true, factory: metrics).record(7)
        #expect(
            text(metrics) == """
                # TYPE _7_lag gauge
                _7_lag 2.5
                # TYPE shardline_Puts_total counter
                shardline_Puts_total{stream="a\\"b\\\\c\\nd"} 3
                shardline_Puts_total{stream="e"} 1
                # TYPE sizes summary
                sizes_sum 7
                sizes_count 1

                """)
    }

    @Test func `a timer is a histogram whose buckets add up`() {
        let metrics = PrometheusMetrics()
        let timer = Timer(label: "t", dimensions: [("o", "p")], factory: metrics)
        for milliseconds in [0, 1, 2, 4000, 400_000] { timer.recordMilliseconds(milliseconds) }
        let lines = text(metrics).split(separator: "\n").map(String.init)
        #expect(lines.first == "# TYPE t_seconds histogram")
        #expect(lines.contains("t_seconds_bucket{o=\"p\",le=\"0.0001\"} 1"))
        #expect(lines.contains("t_seconds_bucket{o=\"p\",le=\"0.001\"} 2"))
        #expect(lines.contains("t_seconds_bucket{o=\"p\",le=\"0.0025\"} 3"))
        #expect(lines.contains("t_seconds_bucket{o=\"p\",le=\"300\"} 4"))
        #expect(lines.contains("t_seconds_bucket{o=\"p\",le=\"+Inf\"} 5"))
        #expect(lines.suffix(2) == ["t_seconds_sum{o=\"p\"} 404.003", "t_seconds_count{o=\"p\"} 5"])
    }

    @Test func `a metric that is made again goes on, and one that is destroyed is gone`() {
        let metrics = PrometheusMetrics()
        Counter(label: "a", factory: metrics).increment()
        let counter = Counter(label: "a", factory: metrics)
        counter.increment()
        #expect(text(metrics).contains("a_total 2"))
        counter.destroy()
        #expect(text(metrics) == "")
    }

    @Test func `requests are counted by operation and error`() {
        let metrics = PrometheusMetrics()
        let recorded = ServerMetrics(factory: metrics)
        recorded.connected()
        recorded.connected()
        recorded.disconnected()
        for _ in 0..<2 {
            recorded.answered(
                ServiceResponse(status: 200, contentType: nil, body: .bytes([]), operation: "PutRecord"),
                in: .milliseconds(2))
        }
        recorded.answered(
            ServiceResponse(status: 400, contentType: nil, body: .bytes([]), errorCode: "X"), in: .milliseconds(2))
        let text = text(metrics)
        #expect(text.contains("shardline_server_Connections 1\n"))
        #expect(
            text.contains(
                "shardline_server_Requests_total{operation=\"PutRecord\",error=\"none\",status=\"200\"} 2\n"))
        #expect(text.contains("shardline_server_Requests_total{operation=\"none\",error=\"X\",status=\"400\"} 1\n"))
        #expect(text.contains("shardline_server_RequestDuration_seconds_count{operation=\"PutRecord\"} 2\n"))
    }

    @Test(
        arguments: [
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_709_251_199_999, "Thu, 29 Feb 2024 23:59:59 GMT"),
        ] as [(Int64, String)])
    func `a date is written as RFC 9110 has it`(milliseconds: Int64, text: String) {
        #expect(DateHeader.text(Timestamp(milliseconds: milliseconds)) == text)
    }

    @Test func `each request has ids of its own (API-P-6)`() throws {
        let identities = RequestIdentities()
        let ids = (0..<1000).map { _ in identities.uuid() }
        #expect(Set(ids).count == 1000)
        for id in ids {
            #expect(id.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
        }
        let second = identities.secondID()
        #expect(second.utf8.count == 96 && second.wholeMatch(of: /[A-Za-z0-9+\/]+/) != nil)
    }

    @Test func `a server is ready until its store fails or it ends`() async {
        let store = InMemoryStore()
        let readiness = Readiness(store: store)
        #expect(await readiness.reason() == nil)
        store.fail(with: ShardlineError(.diskFull, "no room"))
        #expect(await readiness.reason() == "the store takes no records: no room")
        readiness.beginShutdown()
        #expect(await readiness.reason() == "the server is shutting down")
        readiness.fail(ShardlineError(.storeFailed, "no disk"))
        #expect(await readiness.reason() == "the store has failed: no disk")
    }

    /// A change of the settings that is refused, and what the message names.
    struct Wrong: Sendable, CustomTestStringConvertible {
        var names: String
        var change: @Sendable (inout KinesisServer.Configuration) -> Void
        var testDescription: String { names }
    }

    @Test(arguments: [
        Wrong(names: "allowed: 0 to 65535") { $0.port = 65536 },
        Wrong(names: "allowed: 0 to 65535") {
            $0.tls = KinesisServer.TLS(port: -1, certificateFile: "a", keyFile: "b")
        },
        Wrong(names: "no port to listen on") { $0.port = nil },
        Wrong(names: "allowed: 12 digits") { $0.account = "1234" },
        Wrong(names: "such as us-east-1") { $0.region = "US East" },
        Wrong(names: "everybody who reaches") { $0.host = "0.0.0.0" },
        Wrong(names: "everybody who reaches") { $0.host = "127.0.0.1.example.com" },
        Wrong(names: "allowed: one of the two") {
            $0.credentials = KinesisServer.Credentials(keys: [])
            $0.acceptsUnsigned = true
        },
        Wrong(names: "the limit of connections is 0") { $0.limits.connections = 0 },
        Wrong(names: "allowed: 1024 to 1048576") { $0.limits.headerBytes = 5 },
        Wrong(names: "the limit of all bodies' bytes") { $0.limits.allBodiesBytes = 10 },
        Wrong(names: "the idle time is 0s (allowed: 1ms to 1d)") { $0.limits.idleTime = .zero },
        Wrong(names: "the shortest retention in hours is 0") { $0.operations.minimumRetentionHours = 0 },
        Wrong(names: "the transition delay") { $0.operations.transitionDelay = .seconds(3601) },
    ])
    func `a setting that is not allowed is refused with what is (API-A-6)`(wrong: Wrong) {
        var configuration = KinesisServer.Configuration()
        #expect(throws: Never.self) { try configuration.validate() }
        wrong.change(&configuration)
        let error = #expect(throws: ShardlineError.self) { try configuration.validate() }
        #expect(
            error?.code == .invalidArgument && error?.message.contains(wrong.names) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: ["localhost", "::1", "127.8.9.1"]) func `this machine alone may be listened on by anybody`(
        host: String
    ) {
        var configuration = KinesisServer.Configuration()
        configuration.host = host
        #expect(throws: Never.self) { try configuration.validate() }
        configuration.host = "0.0.0.0"
        configuration.allowsUnauthenticated = true
        #expect(throws: Never.self) { try configuration.validate() }
    }
}
#endif
