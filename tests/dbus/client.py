"""Drives a daemon as a program of others would: starts, reads, stops. Prints what it saw."""

import json
import sys
import time

from jeepney import DBusAddress, Properties, new_method_call
from jeepney.io.blocking import open_dbus_connection
from jeepney.wrappers import unwrap_msg

NAME = "org.dashboardcast1"
MANAGER = DBusAddress("/org/dashboardcast1", NAME, "org.dashboardcast1.Manager")


def main(url):
    bus = open_dbus_connection("SESSION")

    def call(address, method, signature=None, body=()):
        return unwrap_msg(
            bus.send_and_get_reply(new_method_call(address, method, signature, body), timeout=60)
        )

    options = {"quality": ("s", "720p"), "duration": ("u", 600), "device": ("s", "none")}
    (path,) = call(MANAGER, "StartCast", "sa{sv}", (url, options))
    session = DBusAddress(path, NAME, "org.dashboardcast1.Session")

    def properties():
        (found,) = unwrap_msg(bus.send_and_get_reply(Properties(session).get_all(), timeout=60))
        return {name: value for name, (_, value) in found.items()}

    deadline = time.monotonic() + 60
    # Whether it is there yet is asked for: signals are what another test is about.
    while properties()["State"] != "live" and time.monotonic() < deadline:
        time.sleep(0.1)
    seen = properties()
    (picture,) = call(session, "Snapshot")
    (media,) = call(session, "GetMedia")
    call(session, "Stop")
    (left,) = call(MANAGER, "ListSessions")
    seen = {name: seen[name] for name in ("State", "Url", "PageTitle", "PageStatus", "Width")}
    print(json.dumps({"path": path, "seen": seen, "png": picture[:4].hex(), "media": media,
                      "left": left}))


main(sys.argv[1])
