"""w2z puts a Jupyter kernel on the web: five ZMQ channels, one authenticated websocket.

The map, from the top (each layer imports only those below it):

- :mod:`w2z.__main__` and :mod:`w2z.cli`: the command line. | :mod:`w2z.setting_options`: an option
  for each setting. | :mod:`w2z.local_commands`: commands that look at this machine. |
  :mod:`w2z.remote_commands`: those that talk to another w2z. | :mod:`w2z.attach_commands`: those
  that let a remote kernel appear as a local one.
- :mod:`w2z.serve`: the program ``w2z serve``. | :mod:`w2z.client`: what talks to another w2z.
- :mod:`w2z.server`: the listening side, HTTP and websockets on one port.
- :mod:`w2z.bridge`: the only joint between the clients' side and the kernel's.
- :mod:`w2z.delivery`: who gets which message. | :mod:`w2z.kernel`: the kernel's side.
- :mod:`w2z.wire`: the formats. | :mod:`w2z.settings`. | :mod:`w2z.timing`: durations. |
  :mod:`w2z.reports`: problems, counted and logged. | :mod:`w2z.counts`: the rest that is counted. |
  :mod:`w2z.threads`: work that blocks. | :mod:`w2z.small_files`: files that others write. |
  :mod:`w2z.privacy`: what w2z hides. | :mod:`w2z.holdings`: the bytes held for peers, in sum. |
  :mod:`w2z.hosts`: words for hosts, and how to reach them.
- :mod:`w2z.logs`: what the operator reads. |
  :mod:`w2z.whereabouts`: where w2z listens, told to its health check.
- :mod:`w2z.store`: storage for messages that do not fit in memory. |
  :mod:`w2z.values`: what the text of a setting has to be. |
  :mod:`w2z.resident`: the memory that w2z takes.
- :mod:`w2z.message`, and below it :mod:`w2z.errors`. | :mod:`w2z.units`: sizes and durations. |
  :mod:`w2z.environment`: its variables. |
  :mod:`w2z.starting`: what comes before all.

The folder ``page`` has no Python: it is the page at the base URL, as browsers get it
(:mod:`w2z.server.page`).

The words, each with one meaning. Jupyter, ZMQ and RFC 6455 define the first group.

Messages:

- *message*: a Jupyter message: channel, header, parent_header, metadata, content and buffers.
- *channel*: shell, iopub, stdin, control or hb.
- *request*: a message from a client. *reply*: the kernel's message that answers it.
- *parts*: a message as one ZMQ multipart. *payload*: a message as one websocket message.
- *frames*: websocket frames. *codec*: one of the two payload formats; the *subprotocol* that the
  handshake agreed on selects it.
- *to_kernel*, *to_clients*: the two directions.
- *own message*: a message that w2z wrote itself, in the kernel's place.

Clients:

- *client*: a connected websocket. *peer*: the other end of any connection.
- *stranger*: a peer whose connection has had no request with a right token; it is *known* then.
- *session*: one ``session_id`` and what w2z keeps for it. It outlives its client: a new client
  *resumes* it within the *resume window*, or *replaces* a client that is still connected; then the
  session is *taken*.
- *header session*: the ``session`` field of a message's header; it names the message's author.
- *REST session*: the document that Jupyter's REST API calls a session.
- *principal*: who a client is, as its credentials say. All who present the one token are one
  principal. A session belongs to the principal whose client made it.
- *newcomer*: a client whose session is new; it may ask for a *replay* of the last messages.
- *departed*: a client that left while requests of it still wait for the kernel.
- *refused*: of a message: the kernel cannot take it now. The client keeps it and *retries*.

Delivery:

- *batch*: the messages that one receive call got from one socket.
- *journal*: the log of batches that clients may still need. *position*: an index in it.
- *point*: a number for the place between two messages of the journal; pings carry one. *part*: the
  messages from one point to the next, for a client that catches up.
- *acknowledged*: a pong proved that the client received everything before a point.
- *flowing*: of a session: its client gets every batch as it arrives, and reads no journal.
- *store*: where batches go that do not fit in memory. *spill*: to move them there.
- *gap*: the place of dropped messages. *notice*: the message that tells a client of a gap.
- *pending*: a request that the kernel has not answered. *lost*: it never will.
- *repeat*: a request that this kernel has had before.
- *question*: an ``input_request`` that nobody has answered.

The kernel:

- *identity*: the ZMQ identity of a session's sockets; derived by w2z, never the client's.
- *link*: the sockets, signer, backlog and conversation for the kernel that is there now.
- *overrun*: output was dropped, because memory had no room for what waited in libzmq.
- *backlog*: what was received from the kernel and not yet carried to clients.
- *conversation*: w2z's own requests to the kernel, and their replies.
- *keeper*: the object that looks after the kernel. It has either *launched* the kernel (then the
  kernel is *owned*) or *attached* to one that somebody else started.
- *life*: the state machine that says whether requests may go to the kernel now.
- *ready*: the kernel has answered, and its output arrives. *silent*: ready, but iopub says nothing.
- *gone*: the kernel hung up or its process ended. *dead*: clients were told that it is gone.
- *hung up*: the kernel's end of iopub's connection was closed.
- *last words*: what a kernel sent before it was gone, and what its process wrote to stderr.
- *beat*: a heartbeat that w2z sends. *echo*: its answer. *pulse*: the count of beats without echo.
- *probe*: an attempt to connect to the kernel's ports.
- *supposed busy*: busy with something whose beginning w2z did not see.
- *settle*: to end what still counts as running, after a reply proved that it has ended.
- *announce*: to tell clients an execution state that the kernel cannot tell itself.
- *mark*: to set the execution state of the REST model, and tell clients nothing.
"""

__version__ = "0.1.0"
"""The version of the distribution, which reads it from here."""
