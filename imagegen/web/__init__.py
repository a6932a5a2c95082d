"""The pages: static HTML, CSS and JavaScript without a build step, served from memory. They speak to the HTTP
service like any other client and load nothing from anywhere else."""
