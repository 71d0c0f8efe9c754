// Tests of a mapping need what the mapping is made of.
@_exported public import Shardline
