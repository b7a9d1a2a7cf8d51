"""What jupyter_client is given: managers, clients and provisioners of remote kernels.

- :mod:`~w2z.client.jupyter.manager`: managers, for nbclient, papermill, jupyter console and others.
- :mod:`~w2z.client.jupyter.server`: the one for jupyter_server.
- :mod:`~w2z.client.jupyter.client`: clients of a remote kernel that need no manager.
- :mod:`~w2z.client.jupyter.remote`: the traits that say where the kernel is.
- :mod:`~w2z.client.jupyter.in_thread`: the provisioner of these managers.
- :mod:`~w2z.client.jupyter.provisioner`: the provisioners that kernelspecs name.

Only this package imports jupyter_client.
"""
