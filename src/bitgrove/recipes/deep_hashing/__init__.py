"""Deep hash methods on the features of one network: CIFAR-10, 5,000 labelled images."""
