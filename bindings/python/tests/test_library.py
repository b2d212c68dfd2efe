import os
import pathlib
import pickle
import re
import subprocess
import sys
import unittest

import radam
from radam import Status, _api, _library


class Loading(unittest.TestCase):
    def test_version(self):
        self.assertEqual(radam.version().split(".")[:2], radam.__version__.split(".")[:2])
        for other in (3000, 1_002_000):
            with self.assertRaisesRegex(ImportError, "this package needs 0.2"):
                _library.check_version("libradam.so", other)
        _library.check_version("libradam.so", _api.VERSION + 999)  # a later patch

    def test_layouts_are_compared(self):
        size, offsets = _api.LAYOUTS[_api.radam_param]
        for wrong in ((size + 8, offsets), (size, {**offsets, "len": 0})):
            try:
                _api.LAYOUTS[_api.radam_param] = wrong
                with self.assertRaisesRegex(ImportError, "radam_param has another layout"):
                    _library.check_layouts(_library.lib)
            finally:
                _api.LAYOUTS[_api.radam_param] = (size, offsets)

    def test_a_library_that_is_something_else(self):
        if pathlib.Path(_library.path()).parent == pathlib.Path(_library.__file__).parent:
            self.skipTest("the library is inside the package")
        for path, sentence in (("/no/such/library", "install the wheel"), ("libc.so.6", "has no radam_version")):
            environment = {**os.environ, "RADAM_LIBRARY": path, "PYTHONPATH": os.pathsep.join(sys.path)}
            run = subprocess.run([sys.executable, "-c", "import radam"], env=environment, capture_output=True, text=True)
            self.assertEqual(run.returncode, 1)
            self.assertRegex(run.stderr, f"ImportError: .*{sentence}")

    def test_errors(self):
        error = pickle.loads(pickle.dumps(radam.Error(Status.BUSY, "busy")))
        self.assertEqual((error.status, str(error)), (Status.BUSY, "busy"))
        self.assertEqual(radam.Error(99, "of a later version").status, 99)

    def test_everything_of_the_c_api_is_reached(self):
        """Every function of the library is called somewhere in the package, but for those that say why not."""
        sources = "".join(path.read_text() for path in pathlib.Path(radam.__file__).parent.glob("*.py")
                          if path.name != "_api.py")
        used = set(re.findall(r"\b(?:lib|library)\.(radam_\w+)", sources))
        unused = set(_api.FUNCTIONS) - used
        others = {
            "radam_save", "radam_load",  # the ones with options do the same
            "radam_add_param", "radam_step_param",  # and so do radam_add_params and radam_step_tensor
            "radam_get_param",  # the package knows what it has added
            "radam_status_string",  # Status has the names
            "radam_set_stream",  # of a GPU, whose memory the package's arrays are not in
        }
        self.assertEqual({name for name in unused if not name.endswith("_init")}, others)
