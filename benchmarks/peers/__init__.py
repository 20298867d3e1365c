"""What the packed runtime is compared with, one file per peer, each as fast as it can be had."""
