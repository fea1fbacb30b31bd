"""Publishing to the Hub.

release       a dataset's release: committed to a branch, loaded there, then made the head
model_release a trained model
trained_folder its folder, held to what training recorded
released_card its card, with what stays of the one that is there
model_evaluations what evaluations found of it
start         what both a release and its forecast ask first
forecast      what a publish would write, for ``--dry-run``
preflight     what a repository holds that would keep a release from loading
remote_state  what of a release a repository holds already
send_files    files on their way
load_check    a release, loaded by a process of its own
"""
