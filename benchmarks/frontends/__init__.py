"""Ways from a Python program to a kernel, each opened by a module's ``opened(place)``.

A module imports what its way needs and nothing else: what that takes is measured, too.

- :mod:`benchmarks.frontends.by_kernelspec`: jupyter_client's own manager, on any kernelspec.
- :mod:`benchmarks.frontends.by_manager`: w2z's manager, in a thread of the program.
- :mod:`benchmarks.frontends.by_gateway`: jupyter_server's manager of kernels behind a gateway.
- :mod:`benchmarks.frontends.by_kernel_client`: jupyter_kernel_client.
"""
