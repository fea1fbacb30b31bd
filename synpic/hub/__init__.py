"""The one place that speaks to the Hub.

    names        its address, pages of repositories, revisions, paths of files
    session      the HTTP session: time limits, and a check of every answer
    answers      what an error says: status, the server's own words, whether to try again
    errors       errors of the Hub's client as errors of synpic
    retry        how long to wait, and when to try again
    libraries    what libraries ask by themselves, waited for by the same policy
    client       questions about a repository: commits, tags, history, files
    files        files at a commit: downloaded, or read in ranges
    cache        what the client's cache holds, without a request
    checkpoints  a name of weights as a commit or a hash; lock: what remembers it
    commits      writing: a repository's branches, files sent ahead, one commit
    progress     the progress bars of downloads and uploads

Every other package speaks to the Hub through these modules.
"""
