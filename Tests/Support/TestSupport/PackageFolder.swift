/// The folder of this package, found from where this file was compiled.
package enum PackageFolder {
    /// Its path, without a slash at the end.
    package static let path = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4)
        .joined(separator: "/")

    /// The path of a file or folder in it.
    package static func path(_ relative: String) -> String { "\(path)/\(relative)" }
}
