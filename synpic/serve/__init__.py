"""Rewards over HTTP: one process a device, requests of several callers in one batch.

adapters     rewards in the shape in which a trainer calls them, in its own process or of a server
running      a server on a port, until a signal or the end of its device
opening      which rewards it has, from names or a recipe
app          wires, health and metrics, behind the limits and the guard
service      images checked and made ready in threads, and the queue's limit
wires        how programs ask for rewards: a module for each of them
batching     the device's thread, and batches of all callers' images
pace         when a batch goes
served       a reward, and scores that do not depend on what shares their batch
group        the preference of a group: k images of one prompt by several rewards
guard        who may call
whole_body   bodies up to a limit, and callers that hang up
limits       what is refused before any work is done
metrics      what is counted
openapi      a description of synpic's own wire
asking       what a wire asks of the rewards that are served, and what it is answered
"""
