import Glibc

/// What `errno` says, in words.
func systemMessage(_ error: Int32 = errno) -> String { String(cString: strerror(error)) }
