import Shardline
