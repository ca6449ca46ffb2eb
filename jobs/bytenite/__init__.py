"""The door for clients of ByteNite: /v1/auth, /v1/customer (= /v1/computing) and /v1/dev, over the same services as all doors."""
