"""Attacks on a real w2z, and what they cost it: ``python -m tests.attacks [NAME…]``.

- :mod:`~tests.attacks.strangers`, :mod:`~tests.attacks.clients`, :mod:`~tests.attacks.kernels` and
  :mod:`~tests.attacks.files` are the attacks, by who attacks.
- :mod:`~tests.attacks.harness` starts w2z and the kernel for one attack, and makes its row.
- :mod:`~tests.attacks.target` is what an attack gets: w2z, the kernel and the files.
- :mod:`~tests.attacks.peers` are what several attacks are made of.
- :mod:`~tests.attacks.bystander` is a client that has nothing to do with the attack.
- :mod:`~tests.attacks.prober` asks for w2z's health all the time, in a process of its own, and
  measures stalls and memory; its docstring says what a stall is.
- :mod:`~tests.attacks.kernel` is the kernel, a process whose cells may do anything.
"""
