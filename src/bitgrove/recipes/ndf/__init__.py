"""Kontschieder et al., Deep Neural Decision Forests, ICCV 2015, on MNIST and CIFAR-10, small."""

from .recipe import ARMS as ARMS
from .recipe import cifar10 as cifar10
from .recipe import mnist as mnist
