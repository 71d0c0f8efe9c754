// Tests of a mapping also need the modules of Shardline.
@_exported public import Shardline
