"""Asking a server over HTTP: its address, its pace, and what is asked again until patience ends."""
