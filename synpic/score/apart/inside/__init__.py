"""Programs that run in other environments; nothing here is imported by synpic.

server                  scores by some code, asked over a Unix socket
hpsv2_upstream          hpsv2 1.2.0
imagereward_upstream    image-reward 1.5
"""
