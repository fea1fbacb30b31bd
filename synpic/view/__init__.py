"""Pages to look at prompts, their images, and what ranks them: served, or as a folder of files.

samples      what a training run has drawn so far
left_out     what a release would leave out, and why
people       which of two images people prefer: labels of pairs
verdicts     verdicts of judges, and which models are compared
source       a workspace, a release or a run → prompts, candidates, and images by candidate id
against      labels of people held to φ, prompt by prompt
beside       models held to their base, prompt by prompt
frame        a row for each prompt: what it can be sorted and filtered by
query        the address of a page → which prompts, in which order
charts       how often each model wins, how far rewards agree, how scores are spread
rows         a prompt as the page gets it
memory       what was freed goes back to the system
thumbnails   small pictures, kept in memory up to a limit
server       all of it over HTTP
columns      what a page without a server searches
static       the page as a folder of files
"""
