"""Code that talks to another w2z, which runs elsewhere or in the same container.

- :mod:`~w2z.client.wait`: wait until that w2z serves a ready kernel.

A session with it:

- :mod:`~w2z.client.remote`: where it is, and how to be let in.
- :mod:`~w2z.client.connection`: the session, over one websocket after the other.
- :mod:`~w2z.client.attempt`: one of these, with the session's link.
- :mod:`~w2z.client.websocket`: its frames. | :mod:`~w2z.client.dial`: its TCP connection.
- :mod:`~w2z.client.link`: what the session owes and is owed. | :mod:`~w2z.client.repeats`: which
  messages came before. | :mod:`~w2z.client.unsettled`: which requests are sent again.
- :mod:`~w2z.client.retrying`: when to try again. | :mod:`~w2z.client.faults`: what a failure means.
  | :mod:`~w2z.client.watch`: whether the other end is still there.
- :mod:`~w2z.client.rest`: what is asked over HTTP.

A remote kernel as a local one:

- :mod:`~w2z.client.command`: the program ``w2z attach``. | :mod:`~w2z.client.thread`: the same in a
  thread, for :mod:`~w2z.client.jupyter`: managers, clients and provisioners.
- :mod:`~w2z.client.spec_command`: the program ``w2z kernelspec``. |
  :mod:`~w2z.client.kernelspecs`: the files.
- :mod:`~w2z.client.attach`: joins the local sockets and the session.
- :mod:`~w2z.client.local`: the sockets. | :mod:`~w2z.client.waiting`: what clients do not read. |
  :mod:`~w2z.client.published`: the connection file.
- :mod:`~w2z.client.policy`: what requests, signals and states do. | :mod:`~w2z.client.routes`:
  whose a reply is. | :mod:`~w2z.client.own`: the messages that attach writes itself.
"""
