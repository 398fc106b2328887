"""What a head becomes on disk: splat files, a mesh, a page with the viewer."""
