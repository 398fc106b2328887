"""What a server needs beside the page: the memory, the files and the turns of many visitors."""
