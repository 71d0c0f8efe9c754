#if Server
import EventSource
import Synchronization
import Testing

@testable import HTTPEndpoint

/// What the answers of endpoints mean (ESM-R21).
@Suite struct HTTPAnswerTests {
    /// An answer's meaning in one line.
    private func meaning(_ answer: HTTPAnswer, _ check: AnswerCheck = AnswerCheck()) -> String {
        switch answer.meaning(check) {
        case .answered(let body): "answered \(String(decoding: body, as: UTF8.self))"
        case .notReached(let reason): "not reached: \(reason)"
        case .failed(let reason, let type): "\(type ?? "-"): \(reason)"
        }
    }

    @Test(arguments: [
        "", "{}", "null", " \n", #"{"batchItemFailures": []}"#, #"{"errorMessage": "no", "permanent": true}"#, "{\n}\n",
    ]) func `an answer with 2xx is judged as a command's (ESM-R21)`(body: String) {
        for status in [200, 202, 204] {
            #expect(meaning(HTTPAnswer(status: status, body: Array(body.utf8))) == "answered \(body)")
        }
    }

    @Test func `JSON that says nothing is no answer, unless any is taken (ESM-R19b, ESM-R21)`() {
        let answer = HTTPAnswer(status: 200, body: Array(#"{"status":"ok"}"#.utf8))
        #expect(
            meaning(answer).hasPrefix("InvalidResponse: the endpoint answered an object with 'status' only, which says")
        )
        let warned = Mutex<[String]>([])
        let check = AnswerCheck(acceptsAnyJSON: true) { text in warned.withLock { $0.append(text) } }
        for _ in 0..<2 { #expect(meaning(answer, check) == #"answered {"status":"ok"}"#) }
        #expect(warned.withLock { $0.count } == 1)
    }

    @Test(arguments: [429, 503]) func `an endpoint that has no room was not reached (ESM-A6, ESM-R21)`(status: Int) {
        let answer = HTTPAnswer(status: status, reason: "Later", body: Array("in  a\nwhile".utf8))
        #expect(meaning(answer) == "not reached: the endpoint answered \(status) Later: in a while")
    }

    @Test(arguments: [100, 199, 300, 304, 400, 404, 428, 500, 502, 504, 599])
    func `any other status is an error of the function (ESM-R21)`(status: Int) {
        let long = String(repeating: "x", count: 2000)
        let answer = HTTPAnswer(status: status, reason: "No", body: Array(long.utf8))
        #expect(meaning(answer) == "HTTP\(status): the endpoint answered \(status) No: \(long.prefix(1024))…")
        #expect(meaning(HTTPAnswer(status: status)) == "HTTP\(status): the endpoint answered \(status)")
    }

    @Test func `a redirect is named and not followed (ESM-R21)`() {
        #expect(
            meaning(HTTPAnswer(status: 302, reason: "Found", location: "http://b/"))
                == "HTTP302: the endpoint answered 302 Found, a redirect to http://b/, which is not followed")
    }

    @Test func `an error of the function is told as Lambda tells it (ESM-R21)`() {
        func told(_ body: String) -> String {
            meaning(HTTPAnswer(status: 200, functionError: "Unhandled", body: Array(body.utf8)))
        }
        let error = #"{"errorMessage":"boom","errorType":"ValueError"}"#
        #expect(told(error) == "answered \(error)")
        #expect(told("{}") == "Unhandled: the function reported an error (X-Amz-Function-Error: Unhandled): {}")
        #expect(told("") == "Unhandled: the function reported an error (X-Amz-Function-Error: Unhandled)")
    }

    @Test func `an answer that is too long is an error of the function (ESM-R21)`() {
        let answer = HTTPAnswer(status: 200, body: Array("{}".utf8), isCut: true)
        #expect(meaning(answer) == "AnswerTooLong: the endpoint's answer is longer than 6291456 bytes")
    }
}
#endif
