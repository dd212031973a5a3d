"""The platform's side of plugins: the dispatcher that every host call goes through, and a folder for each service.

A service is a class with a ``module`` name and `Operation`s. It sees a checked request and a `CallScope`. It never sees
the engine, a grant table or another plugin's memory. From the top down:

- `services`: ``rt.host``, which tells every service what it must know of the runtime;
- `registry`: one line a service;
- the services, and WASI beside them;
- `delivery`, `offload`, `displays` and `ownership`, which services share;
- `dispatcher`, `host_call` and `scope`: the way of one host call. They know no service.
"""
