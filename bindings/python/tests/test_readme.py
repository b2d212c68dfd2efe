import contextlib
import io
import pathlib
import re
import unittest

README = pathlib.Path(__file__).parents[1] / "README.md"


class Readme(unittest.TestCase):
    def test_programs(self):
        """They build on each other, from top to bottom."""
        *programs, with_torch = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
        self.assertEqual(len(programs), 4)
        names, output = {}, io.StringIO()
        with contextlib.redirect_stdout(output):
            for program in programs:
                exec(program, names)
        self.assertRegex(output.getvalue(), r"^\[ 0\.9\d+ +-1\.9\d+ +2\.9\d+ *\]")
        try:
            import without_cuda  # noqa: F401
            import torch  # noqa: F401
        except ImportError as error:
            self.skipTest(f"PyTorch: {error}")
        exec(with_torch, names)
