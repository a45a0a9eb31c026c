"""Drives a TV with PyChromecast: a verb on each line of standard input, an answer in JSON on each line
of standard output, with what PyChromecast knows of the TV then.

    sender.py ADDRESS PORT
"""

import json
import sys

import pychromecast

TIMEOUT = 20


class Sender:
    def __init__(self, address, port):
        device = pychromecast.discovery.get_device_info(address)
        self.cast = pychromecast.get_chromecast_from_host(
            (address, port, device.uuid, device.model_name, device.friendly_name)
        )
        # What the player was said to do since the last answer.
        self.states = []
        self.cast.media_controller.register_status_listener(self)
        self.cast.wait(timeout=TIMEOUT)

    def new_media_status(self, status):
        state = [status.player_state, status.idle_reason]
        if not self.states or self.states[-1] != state:
            self.states.append(state)

    def load_media_failed(self, queue_item_id, error_code):
        self.states.append(["LOAD_FAILED", error_code])

    def status(self):
        """What it knows without asking."""

    def launch(self):
        self.cast.start_app(pychromecast.APP_MEDIA_RECEIVER)

    def play(self, url):
        media = self.cast.media_controller
        media.play_media(url, "application/vnd.apple.mpegurl", stream_type="LIVE")

    def refresh(self):
        """Asks the player how it does; what it says is in a later answer."""
        self.cast.media_controller.update_status()

    def pause(self):
        self.cast.media_controller.pause()

    def resume(self):
        self.cast.media_controller.play()

    def volume(self, level):
        self.cast.set_volume(float(level))

    def stop(self):
        self.cast.media_controller.stop()

    def quit(self):
        self.cast.quit_app()

    def answer(self):
        # There is none while the TV cannot be reached.
        status = self.cast.status
        media = self.cast.media_controller.status
        states, self.states = self.states, []
        return {
            "connected": self.cast.socket_client.is_connected,
            "name": self.cast.cast_info.friendly_name,
            "app": status and status.app_id,
            "volume": status and status.volume_level,
            "standby": status and status.is_stand_by,
            "state": media.player_state,
            "position": media.current_time,
            "states": states,
        }


def main():
    sender = Sender(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        verb, *rest = line.split()
        getattr(sender, verb)(*rest)
        print(json.dumps(sender.answer()), flush=True)


main()
