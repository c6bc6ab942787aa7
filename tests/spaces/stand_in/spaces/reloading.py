"""Gradio starts this on every Space, for edits in the browser: there are none here."""


def start_reload_server(prerun, postrun, stop_event):
    stop_event.wait()
