"""Does to a TV what no sender should, and prints in JSON what came of it.

    silent.py ADDRESS PORT
"""

import json
import socket
import ssl
import struct
import sys
import time

from pychromecast.generated import cast_channel_pb2

PREFIX = "urn:x-cast:com.google.cast."


class Connection:
    def __init__(self, address, port):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(socket.create_connection((address, port)))
        self.socket.settimeout(30)

    def say(self, namespace, destination, **payload):
        message = cast_channel_pb2.CastMessage(
            protocol_version=cast_channel_pb2.CastMessage.CASTV2_1_0,
            source_id="sender-7",
            destination_id=destination,
            namespace=PREFIX + namespace,
            payload_type=cast_channel_pb2.CastMessage.STRING,
            payload_utf8=json.dumps(payload),
        ).SerializeToString()
        self.socket.sendall(struct.pack(">I", len(message)) + message)

    def read(self, length):
        read = b""
        while len(read) < length:
            more = self.socket.recv(length - len(read))
            if not more:
                raise ConnectionError
            read += more
        return read

    def hear(self):
        """Where the next message came from, and its type; nothing when the TV has closed."""
        try:
            (length,) = struct.unpack(">I", self.read(4))
            message = cast_channel_pb2.CastMessage.FromString(self.read(length))
        except (ConnectionError, ssl.SSLEOFError):
            return None
        return message.source_id, json.loads(message.payload_utf8)["type"]


def main():
    connection = Connection(sys.argv[1], int(sys.argv[2]))
    began = time.monotonic()
    connection.say("receiver", "receiver-0", type="GET_STATUS", requestId=1)
    unconnected = connection.hear()
    connection.say("tp.connection", "receiver-0", type="CONNECT")
    connection.say("receiver", "receiver-0", type="GET_STATUS", requestId=2)
    connected = connection.hear()
    connection.say("tp.heartbeat", "receiver-0", type="PING")
    answer = connection.hear()
    # From here on it says nothing more.
    silence = []
    while heard := connection.hear():
        silence.append(heard)
    print(
        json.dumps(
            {
                "unconnected": unconnected,
                "connected": connected,
                "answer": answer,
                "silence": silence,
                "seconds": time.monotonic() - began,
            }
        )
    )


main()
