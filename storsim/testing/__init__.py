"""Tools for testing drivers: `storsim.testing.sweep` fails every allocation once, `storsim.testing.plugin` is for
pytest.

Nothing is imported before it is used; the plugin module is loaded by every pytest run in the environment.
"""
