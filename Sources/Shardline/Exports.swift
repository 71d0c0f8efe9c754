// The modules that `import Shardline` imports.
@_exported public import struct DiskAccess.SystemTimeSource
@_exported public import EventSource
@_exported public import OfflineStore
@_exported public import OwnerSocket
@_exported public import SegmentStorage
@_exported public import StoreAccess
@_exported public import StreamModel
@_exported public import StreamStorage
