"""Commands to MongoDB: one OP_MSG each way, and as much of BSON as their documents have.

https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ and https://bsonspec.org/spec.html
"""
import struct

from instances import connect, receive_exactly

OP_MSG = 2013


def command(port, document):
    """Runs the command on the database `admin` of 127.0.0.1:port and returns the answer."""
    body = struct.pack("<iB", 0, 0) + encode({**document, "$db": "admin"})
    with connect(port) as connection:
        connection.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, OP_MSG) + body)
        (length,) = struct.unpack("<i", receive_exactly(connection, 4))
        message = receive_exactly(connection, length - 4)
    # After the length: the rest of the header (12 bytes), flags (4), the kind of the first section (1).
    return decode(message[17:])[0]


def encode(document):
    body = b"".join(encode_element(key, value) for key, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def encode_element(key, value):
    name = key.encode() + b"\0"
    if isinstance(value, bool):
        return b"\x08" + name + struct.pack("<?", value)
    if isinstance(value, int):
        return b"\x10" + name + struct.pack("<i", value)
    if isinstance(value, str):
        text = value.encode() + b"\0"
        return b"\x02" + name + struct.pack("<i", len(text)) + text
    if isinstance(value, list):
        return b"\x04" + name + encode({str(index): item for index, item in enumerate(value)})
    return b"\x03" + name + encode(value)


# Element types of fixed length: how to read them, or their length where nobody needs the value.
FIXED = {0x01: "<d", 0x08: "<?", 0x09: "<q", 0x0A: 0, 0x10: "<i", 0x11: "<Q", 0x12: "<q", 0x07: 12, 0x13: 16}


def decode(data, at=0):
    """The document at the position, and the position after it."""
    (length,) = struct.unpack_from("<i", data, at)
    end = at + length
    at += 4
    document = {}
    while data[at] != 0:
        kind = data[at]
        name_end = data.index(0, at + 1)
        name = data[at + 1 : name_end].decode()
        document[name], at = decode_value(kind, data, name_end + 1)
    return document, end


def decode_value(kind, data, at):
    if kind in FIXED:
        how = FIXED[kind]
        if isinstance(how, int):
            return None, at + how
        return struct.unpack_from(how, data, at)[0], at + struct.calcsize(how)
    if kind == 0x03:
        return decode(data, at)
    if kind == 0x04:
        items, end = decode(data, at)
        return list(items.values()), end
    (length,) = struct.unpack_from("<i", data, at)
    at += 4
    if kind == 0x02:
        return data[at : at + length - 1].decode(), at + length
    if kind == 0x05:
        return None, at + 1 + length
    raise ValueError(f"an element of type {kind:#x} in MongoDB's answer")
