"""Comparisons by people: two images side by side, a question, an answer.

    study/<name>/study.json        what is asked, written once
    study/<name>/votes.db          what was answered (synpic.workspace.votes)
    study/<name>/assignments.db    what was shown to whom

questions      what raters are asked
definition     study.json
pairing        which images are compared
possible       which images and pairs a study can show
new            a new study of a workspace
assignments    what was shown to whom, and under which random addresses
asking         what a rater is shown next
pictures       two images, encoded alike
server         the page over HTTP, and its scripts
serving        runs the server until Ctrl-C
choices        votes as choices of an image
raters         raters one by one, and who is left out
agreement      how far raters agree
report         what a study found
report_page    the same as a file of HTML, with every interval drawn
exchange       labels, Argilla and Rapidata: votes and comparisons out, answers in
keeping        what is kept of one rater, written out or deleted
forecast       how many comparisons a study needs, and whether they are there
"""
