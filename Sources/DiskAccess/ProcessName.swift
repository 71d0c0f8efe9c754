import Glibc

/// How this process is named to people on other machines.
package enum ProcessName {
    /// Its process ID and the machine's name, such as `process 4711 on host`.
    package static let own = "process \(getpid())" + (host.isEmpty ? "" : " on \(host)")

    /// The user that runs this process and the machine's name, such as `ops@host`.
    package static let user: String = {
        let user = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "user \(geteuid())"
        return String(user.prefix(64)) + (host.isEmpty ? "" : "@\(host)")
    }()

    private static let host: String = {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return String(text.prefix(64))
    }()
}
