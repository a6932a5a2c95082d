"""The dialect of Stable Diffusion WebUI, which local tools speak: read, written, and its one progress bar."""
